# A bare `snakemake` works from here; the workflow itself is workflow/Snakefile.
include: "workflow/Snakefile"


workflow.default_target = "all"
