"""The ROS 2 layer: node, health and replay. Nothing else in the package imports ROS."""
