"""What image files are called, and what those of another name would be."""

from pathlib import Path

import pytest

from xen_legi.domu import image_names


@pytest.mark.parametrize(("file", "renamed", "of_clone"), [
    ("/srv/xen/domains/web1/disk.img", "/srv/xen/domains/www/disk.img", "/srv/xen/domains/www/disk.img"),
    ("/srv/web1.img", "/srv/www.img", "/srv/www.img"),
    ("/srv/web1-swap.img", "/srv/www-swap.img", "/srv/www-swap.img"),
    ("/srv/web1/web1-disk.img", "/srv/www/www-disk.img", "/srv/www/www-disk.img"),
    ("/srv/web10/disk.img", "/srv/web10/disk.img", "/srv/web10/www-disk.img"),
    ("/srv/web10.img", "/srv/web10.img", "/srv/www-web10.img"),
    ("/web1/data/disk.img", "/web1/data/disk.img", "/web1/data/www-disk.img"),
])
def test_only_what_bears_the_name_gets_another(file: str, renamed: str, of_clone: str) -> None:
    assert str(image_names.renamed(Path(file), "web1", "www")) == renamed
    assert str(image_names.of_clone(Path(file), "web1", "www")) == of_clone
    assert image_names.bears(Path(file), "web1") == (file != renamed)
