package io.experimentetl.faults;

/** How a connection ends. */
public enum Hangup {
  /** With FIN: earlier data arrives. */
  FIN,
  /** With RST: earlier data may be lost too. */
  RESET
}
