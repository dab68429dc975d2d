"""Properties are tested without a deadline: a busy computer may need 200 ms for an example, and that proves nothing."""

import hypothesis

hypothesis.settings.register_profile("xen-legi", deadline=None)
hypothesis.settings.load_profile("xen-legi")
