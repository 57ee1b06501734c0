#!/usr/bin/env bash
# What the tests of this folder need besides Python: a browser, poppler's tools and a TeX, from Debian's packages. As root; they stay installed.
set -euo pipefail

packages=()
command -v chromium > /dev/null || packages+=(chromium)
command -v pdftotext > /dev/null || packages+=(poppler-utils)
command -v pdflatex > /dev/null || packages+=(texlive-latex-recommended texlive-science)
if [[ ${#packages[@]} -gt 0 ]]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
fi
