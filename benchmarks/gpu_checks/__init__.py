"""Whether everything that trains on a graphics card works there."""
