"""rosbag2 without ROS: reading images and labels, writing results; mcap and sqlite3, plain or compressed with zstd."""
