package io.experimentetl.local.traffic;

import java.util.List;

/** The writes of one connection. All rows of a user are in one lane, which keeps their order. */
interface Lane {
  /** The writes of the next transaction, in order; empty: no more. */
  List<Write> next();
}
