"""Reading and writing rosbag2 without ROS: mcap and sqlite3, uncompressed or compressed with zstd."""
