"""The robot's world in MuJoCo: stepping, kinematics and pictures.  No ROS."""
