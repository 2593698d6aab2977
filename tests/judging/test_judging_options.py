import pytest
from pydantic import ValidationError

from ssvif.judging.options import DetectionOptions, SegmentationOptions


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (SegmentationOptions, {"size": "b9"}, "size"),
        (SegmentationOptions, {"weights": "a.pt"}, "weights"),
        (SegmentationOptions, {"learning_rate": 0.0}, "learning_rate"),
        (SegmentationOptions, {"crop": 31}, "crop"),
        (DetectionOptions, {"model": "yolo11n.pt"}, "model"),
        (DetectionOptions, {"weights": "a.safetensors"}, "weights"),
        (DetectionOptions, {"image_size_px": 100}, "image_size_px"),
        (DetectionOptions, {"image_size_px": 32}, "image_size_px"),
    ],
)
def test_a_bad_value_is_named(kind, values, named):
    with pytest.raises(ValidationError, match=f"(?m)^{named}$"):
        kind(**values)


def test_the_defaults_are_the_papers():
    options = SegmentationOptions()
    assert (options.size, options.epochs, options.frozen_epochs, options.batch_size) == ("b3", 80, 30, 12)
    assert DetectionOptions().epochs == 100
