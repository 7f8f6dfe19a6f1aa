"""What every vendor's API needs, so that a dialect is tables and little else.

All of it is public as `meetcore.gateway`.
"""
