"""Fill a root with a copy of a template: a directory with a guest's tree, made once by `xen-legi template make`."""

from pathlib import Path

from xen_legi.config import Config
from xen_legi.install.copying import copy_tree
from xen_legi.install.methods import Wanted, check_ifupdown
from xen_legi.install.templates import Template, find, tree_lock

USES = ("dist",)


class FromTemplate:
    """A template that is whole."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.text = f"template {template.name}" + (f" of {template.made}" if template.made else "")
        self.dist = template.dist or template.name
        self.size = template.size

    def install(self, root: Path) -> None:
        """Copy the tree, which nobody removes meanwhile."""
        with tree_lock(self.template.name):
            copy_tree(self.template.path, root, what="copied", total=self.size)


def prepare(settings: Config, wanted: Wanted) -> FromTemplate:
    """Return the template of a distribution. Die if there is none, or if what it holds could not be settled."""
    template = find(settings.templates, wanted.dist or settings.template)
    check_ifupdown(template.path, f"template {template.name}")
    return FromTemplate(template)
