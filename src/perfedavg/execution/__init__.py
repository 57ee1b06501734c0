"""Back ends that compute many clients: worker processes, and stacked on one device. Skip this room
and the paper still makes sense."""
