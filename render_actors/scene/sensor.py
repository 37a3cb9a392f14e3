"""What the camera of a phone makes of an image: exposure, white balance, blur, noise, JPEG."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from render_actors.scene.spec import Sensor, vector
from render_actors.scene.streams import Streams
from render_actors.setting.setting import RenderSetting

# Exposure in stops, white balance as a factor of red and blue against green, blur as a share of the image's side, the
# noise of a bright pixel and of a dark one as standard deviations of 1 at white, JPEG's quality.
EXPOSURE_EV, BALANCE = (-0.7, 0.7), (0.85, 1.18)
BLUR, SHOT, READ, QUALITY = (0.0, 0.02), (0.0, 0.06), (0.0, 0.015), (40, 95)
# Linear light is about this power of what a screen is sent.
GAMMA = 2.2


def sample_sensors(streams: Streams, setting: RenderSetting) -> tuple[Sensor, ...]:
    """What happens to the image of each pose; nothing where the setting has no sensor."""
    if setting.sensor == "none":
        return ()
    return tuple(_sample(streams.of("sensor", pose)) for pose in range(setting.poses_per_scene))


def _sample(rng: np.random.Generator) -> Sensor:
    red, blue = np.exp(rng.uniform(math.log(BALANCE[0]), math.log(BALANCE[1]), 2)).tolist()
    return Sensor(
        exposure=float(2 ** rng.uniform(*EXPOSURE_EV)),
        balance=vector((red, 1.0, blue)),
        blur=float(rng.uniform(*BLUR)),
        shot=float(rng.uniform(*SHOT) ** 2),
        read=float(rng.uniform(*READ) ** 2),
        quality=int(rng.integers(QUALITY[0], QUALITY[1] + 1)),
        seed=int(rng.integers(2**31 - 1)),
    )


def sensed(rgb: NDArray[np.uint8], sensor: Sensor) -> NDArray[np.uint8]:
    """An image (H, W, 3) as a camera of this sensor stores it: light first, then the lens, the chip, the file."""
    light = (rgb / 255.0) ** GAMMA * (sensor.exposure * np.array(sensor.balance))
    sigma = sensor.blur * rgb.shape[0]
    light = gaussian_filter(light, (sigma, sigma, 0))
    spread = np.sqrt(sensor.shot * light + sensor.read)
    light += spread * np.random.default_rng(sensor.seed).normal(size=light.shape)
    stored = np.rint(np.clip(light, 0, 1) ** (1 / GAMMA) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, format="JPEG", quality=sensor.quality)
    with Image.open(buffer) as image:
        return np.asarray(image)
