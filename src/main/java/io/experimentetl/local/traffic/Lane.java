package io.experimentetl.local.traffic;

import java.util.List;

/** What one connection writes. All rows of a user are in one lane, so that their order is kept. */
interface Lane {
  /** The writes of the next transaction, in order; empty: no more. */
  List<Write> next();
}
