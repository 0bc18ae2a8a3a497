"""The ROS 2 node: messages in, messages out. Nothing else in the package imports ROS."""
