"""The base image from the packages of the distribution, for machines that reach no registry."""
