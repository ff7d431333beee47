"""ROS 2 nodes: thin shells that declare parameters, convert messages and call one class of `robot_mbrl`."""
