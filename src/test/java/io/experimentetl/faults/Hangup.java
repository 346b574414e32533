package io.experimentetl.faults;

/** How a connection ends. */
public enum Hangup {
  /** By FIN: what was sent before arrives. */
  FIN,
  /** By RST: what was sent before may be lost too. */
  RESET
}
