"""Self-contained HTML reports with inline SVG charts; they load nothing from the network."""
