"""What the machine gives: files that appear whole, places, memory, devices, dask workers."""
