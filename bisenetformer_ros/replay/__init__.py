"""A drive through the node: starts camera, node and listener as processes, collects what arrives, measures, reports."""
