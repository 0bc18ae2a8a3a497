"""Self-contained HTML reports: a page, its tables and pictures, charts as inline SVG; nothing is loaded from afar."""
