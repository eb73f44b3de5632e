"""What the nodes of `faces` would do, for a plan."""

from faceleak.faces.demo import PEOPLE_PER_TASK
from faceleak.faces.store import ROWS_PER_BATCH
from faceleak.pipelines.faces import nodes
from faceleak.planning.quantities import A_START, drawing, packing, validating
from faceleak.planning.sample import StatedFaces
from faceleak.planning.tasks import ID_BYTES, Tasks
from faceleak.planning.work import Cost, Planned, Work


def plan_validation(plan: Tasks) -> Planned:
    """Packing, since it is known here how many faces there are, and validation."""
    store, options, images = plan.store, plan.options.faces, len(plan.store)
    demo = options.demo if options.source == "demo" else None
    per_task = PEOPLE_PER_TASK * demo.images_per_person if demo else ROWS_PER_BATCH
    tasks, rows = max(1, round(images / per_task)), images * 2 * ID_BYTES
    bytes_of_all = store.image_bytes * images if isinstance(store, StatedFaces) else 0.0
    there, made = 0 if bytes_of_all else tasks, Cost(drawing(demo) if demo else packing(), images / tasks)
    checked = (Cost(validating(), images), Cost(A_START, 1))
    return Planned(
        [
            Work("faces in the store", tasks, (made,), "faces", there=there, disk=bytes_of_all / tasks),
            Work("start of the program", 1, (Cost(A_START, 1),), kept=False),
            Work("splits and validation", 1, checked, kept=False, disk=rows, held=rows),
        ]
    )


PLANNED = {nodes.validate_faces: plan_validation}
