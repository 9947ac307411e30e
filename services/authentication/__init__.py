"""Who says so, and may they?"""
