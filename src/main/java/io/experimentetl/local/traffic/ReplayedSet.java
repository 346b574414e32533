package io.experimentetl.local.traffic;

/** A set of real data as source tables, with a known answer. */
public sealed interface ReplayedSet permits UdacityData, OptimizelyData {
  Load load(int connections);

  /** Event rows that it writes. */
  int events();
}
