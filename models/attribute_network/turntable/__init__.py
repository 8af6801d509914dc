"""A MultiPIE that may be had: heads of the ICT model with the faces of data/omi, photographed from
seven sides under twenty lights."""
