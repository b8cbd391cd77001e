"""What a viewer shows, the vendor gets: each kind of picture made plain, and what is no picture."""

import random
import resource
from pathlib import Path

import pytest
from PIL import Image

from bot.domain.ports import ImageFormat, ImageLimits
from bot.errors import UnusableImage
from bot.pictures.check import check_image
from bot.pictures.containers import strip
from bot.pictures.photos import convert, make_plain
from tests.support.photos import BLUE, GREEN, HEIGHT_PX, MADE, RED, WIDTH_PX, drawn, jpeg, written
from tests.support.pictures import animation

ALL = tuple(ImageFormat)
LIMITS = ImageLimits(10_000_000, 40_000_000)
GREY = {"grey JPEG", "grey PNG of 16 bits", "PNG in black and white"}
SEE_THROUGH = {
    "PNG with a palette and transparency",
    "PNG with transparency",
    "WebP held 8 with transparency",
}
#: pixels that need not change
AS_THEY_ARE = {
    "JPEG",
    "JPEG with another name",
    "JPEG named as a text",
    "JPEG without its end",
    "JPEG with a trailer",
    "JPEG with a gain map",
    "progressive JPEG",
    "PNG",
    "PNG with two mebibytes of text",
    "PNG with transparency",
    "WebP",
}


def assert_plain(picture: Image.Image) -> None:
    assert picture.format in ("PNG", "JPEG", "WEBP")
    assert picture.mode in ("RGB", "RGBA")
    assert getattr(picture, "n_frames", 1) == 1
    assert not picture.getexif()
    assert not {"icc_profile", "exif", "xmp", "comment", "photoshop"} & set(picture.info)


def assert_looks_as_drawn(name: str, picture: Image.Image) -> None:
    """By four points: green top left, red beside it, blue below."""
    width, height = picture.size
    shown = picture.convert("RGB")
    for (across, down), colour in {
        (0.1, 0.1): GREEN,
        (0.6, 0.2): RED,
        (0.9, 0.4): RED,
        (0.2, 0.8): BLUE,
    }.items():
        seen = shown.getpixel((int(width * across), int(height * down)))
        if name in GREY:
            continue
        strongest = max(range(3), key=lambda band: seen[band])
        assert strongest == max(range(3), key=lambda band: colour[band]), (across, down, seen)


@pytest.mark.parametrize("name", sorted(set(MADE) - {"PNG of 12 MB"}))
def test_each_kind_is_made_plain(tmp_path: Path, name: str) -> None:
    path = tmp_path / "photo"
    path.write_bytes(MADE[name][1]())
    before = path.read_bytes()
    plain = make_plain(path, LIMITS, ALL)

    with Image.open(path) as picture:
        assert_plain(picture)
        assert_looks_as_drawn(name, picture)
        assert (plain.width_px, plain.height_px) == picture.size
        assert ImageFormat(plain.format).name == picture.format
        assert plain.alpha is (name in SEE_THROUGH)
        assert (picture.mode == "RGBA") is (name in SEE_THROUGH)
    if "megapixels" not in name:
        assert (plain.width_px, plain.height_px) == (WIDTH_PX, HEIGHT_PX)
    assert plain.size_bytes == path.stat().st_size
    if name in AS_THEY_ARE:
        assert strip(path.read_bytes()).data == path.read_bytes() == strip(before).data


def test_what_has_too_many_bytes_is_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(MADE["PNG of 12 MB"][1]())
    plain = make_plain(path, LIMITS, ALL)
    assert (plain.format, plain.size_bytes < 10_000_000) == (ImageFormat.JPEG, True)
    scaled = make_plain(path, ImageLimits(1_000_000, 40_000_000), ALL)

    assert scaled.size_bytes <= 1_000_000
    assert scaled.full_px == (2_048, 2_048)
    assert scaled.width_px < 2_048


def test_a_transparent_picture_that_is_too_large_stays_transparent(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    noise = Image.frombytes("RGBA", (700, 700), random.Random(1).randbytes(700 * 700 * 4))
    path.write_bytes(written(noise, "PNG"))
    plain = make_plain(path, ImageLimits(1_000_000, 40_000_000), ALL)

    assert plain.format is ImageFormat.PNG
    assert plain.alpha
    assert plain.size_bytes <= 1_000_000


@pytest.mark.parametrize("formats", [(ImageFormat.PNG,), (ImageFormat.PNG, ImageFormat.JPEG)])
def test_only_what_the_vendor_takes_is_written(
    tmp_path: Path, formats: tuple[ImageFormat, ...]
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(written(drawn(), "WEBP"))
    assert make_plain(path, LIMITS, formats).format in formats
    path.write_bytes(written(drawn(), "WEBP"))
    plain = make_plain(path, LIMITS, ALL)
    other = convert(plain, tmp_path / "other", (30, 20), formats)

    assert other.format is ImageFormat.PNG
    assert (other.width_px, other.height_px) == (30, 20)
    assert path.exists()


def test_a_picture_for_which_there_is_no_room_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(MADE["PNG"][1]())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            make_plain(path, LIMITS, ALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"words alone", "no_picture"),
        (b"<html>", "no_picture"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(40), "video"),
        (cut(written(drawn(400, 300), "PNG", compress_level=0)), "damaged"),
        (cut(jpeg(drawn(800, 600))), "damaged"),
        (cut(written(drawn(), "BMP")), "damaged"),
        (cut(MADE["HEIC"][1]()), "damaged"),
        (cut(MADE["AVIF"][1]()), "damaged"),
        (animation("PNG"), "animated"),
        (animation("WEBP"), "animated"),
        (animation("GIF"), "animated"),
    ],
    ids=str,
)
def test_what_no_viewer_shows_whole_or_moves_is_refused(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(data)
    with pytest.raises(UnusableImage) as refused:
        make_plain(path, LIMITS, ALL)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG"])
def test_what_has_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, image_format: str
) -> None:
    path = tmp_path / "photo"
    options = {"progressive": True} if image_format == "JPEG" else {}
    path.write_bytes(written(drawn(600, 400), image_format, **options))
    with pytest.raises(UnusableImage, match="too_many_pixels, pixels_max 100000"):
        make_plain(path, ImageLimits(10_000_000, 100_000), ALL)


@pytest.mark.parametrize("name", sorted(set(MADE) - {"PNG of 12 MB", "JPEG of 50 megapixels"}))
def test_damage_of_any_kind_is_a_verdict(tmp_path: Path, name: str) -> None:
    """Bytes changed at random are decoded or refused; nothing else is raised."""
    chance = random.Random(name)
    data = MADE[name][1]()
    path = tmp_path / "photo"
    for _ in range(30):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 20)):
            broken[chance.randrange(min(len(broken), 4_096))] = chance.randrange(256)
        path.write_bytes(broken)
        try:
            plain = make_plain(path, LIMITS, ALL)
        except (UnusableImage, MemoryError):
            continue
        assert plain.size_bytes == path.stat().st_size


@pytest.mark.parametrize(
    "name",
    [
        "JPEG without its end",
        "JPEG without its end, with a trailer",
        "JPEG with a trailer",
        "MPO of two pictures",
        "PNG with two mebibytes of profile",
        "PNG with two mebibytes of text",
        "APNG of one frame",
    ],
)
def test_a_result_that_every_viewer_shows_is_kept(tmp_path: Path, name: str) -> None:
    path = tmp_path / "result"
    path.write_bytes(MADE[name][1]())
    image = check_image(path, LIMITS)

    assert (image.width_px, image.height_px) == (WIDTH_PX, HEIGHT_PX)
    with Image.open(path) as picture:
        picture.load()
        assert_looks_as_drawn(name, picture)


def test_a_place_is_not_told() -> None:
    """Nor is anything else that a camera writes: the metadata is gone from the bytes."""
    exif = Image.Exif()
    exif[0x010F] = "A Phone's Maker"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
    for image_format in ("JPEG", "PNG", "WEBP"):
        data = written(drawn(), image_format, exif=exif)
        assert b"A Phone's Maker" in data
        assert b"A Phone's Maker" not in strip(data).data


def test_what_is_too_large_to_be_worked_on_says_how_to_have_it_taken(tmp_path: Path) -> None:
    """A palette has to be made colours; a baseline JPEG is decoded at a half."""
    path, size = tmp_path / "large", (4_000, 3_200)
    Image.new("P", size).save(path, "PNG")
    with pytest.raises(UnusableImage) as refused:
        make_plain(path, LIMITS, ALL)
    assert str(refused.value) == "too_many_pixels_but_as_jpeg, pixels_max 12300000"
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", size).save(path, "JPEG", exif=turned)
    plain = make_plain(path, LIMITS, ALL)
    assert (plain.width_px, plain.height_px) == (1_600, 2_000)


def test_a_png_with_a_frame_is_what_viewers_show_of_it(tmp_path: Path) -> None:
    """Its first picture is for those that know no frames."""
    path = tmp_path / "frames.png"
    first, shown = (Image.new("RGB", (WIDTH_PX, HEIGHT_PX), colour) for colour in (GREEN, BLUE))
    first.save(path, "PNG", save_all=True, append_images=[shown], default_image=True)
    make_plain(path, LIMITS, ALL)
    with Image.open(path) as plain:
        assert plain.convert("RGB").getpixel((5, 5)) == BLUE
