"""Describe the data: table and figure."""

from pathlib import Path

import pandas as pd

from perfedavg.analysis.figures.data_card import data_card_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.data.caveats import caveat_about
from perfedavg.data.describe import DATA_CARD, contact_sheet, data_card
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    store, dataset = ClientStore(Path(snakemake.input.store[0]).parent), snakemake.params.dataset
    caveat = caveat_about(dataset, store.column("client_id"))
    table = data_card(
        store, pd.read_csv(snakemake.input.split[0], usecols=["client_group"])
    ).assign(caveat=caveat)
    shown = table.assign(value=table.value.map("{:g}".format)).drop(columns="caveat")
    caption = f"The data set {dataset}. {caveat}".strip()
    write_three_forms(
        DATA_CARD, table, shown, caption, snakemake.output.table[0].removesuffix(".csv")
    )
    base = snakemake.output.figure.removesuffix(".png")
    sheet = contact_sheet(store, writers=12, images=24)
    data_card_figure(
        sheet, store.column("num_train"), store.label_counts().sum(0), dataset, caveat, base
    )
