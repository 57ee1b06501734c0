"""Describe the data: table and figure."""

from pathlib import Path

import pandas as pd

from perfedavg.analysis.figures.data_card import data_card_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.data.describe import DATA_CARD, data_card, examples_shown
from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    store, data = (
        ClientStore(Path(snakemake.input.store[0]).parent),
        data_set(snakemake.params.data),
    )
    caveat = data.caveat(store.column("client_id"))
    table = data_card(
        store, pd.read_csv(snakemake.input.split[0], usecols=["client_group"])
    ).assign(caveat=caveat)
    shown = table.assign(value=table.value.map("{:g}".format)).drop(columns="caveat")
    caption = f"The data set {data.dataset}. {caveat}".strip()
    write_three_forms(
        DATA_CARD, table, shown, caption, snakemake.output.table[0].removesuffix(".csv")
    )
    base = snakemake.output.figure.removesuffix(".png")
    data_card_figure(
        examples_shown(store),
        store.column("num_train"),
        store.label_counts().sum(0),
        data.dataset,
        caveat,
        base,
    )
