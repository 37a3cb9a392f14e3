"""Images of the user's own: `Picture` is what a rendering function returns (docs/howto/write-a-renderer.md)."""

from render_actors.sources.function import Picture

__all__ = ["Picture"]
