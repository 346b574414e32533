package io.experimentetl.cdc;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;

/** An operator that runs in the task of the operator before it, as all do in Flink 2. */
abstract class ChainedOperator<T> extends AbstractStreamOperator<T> {
  private static final long serialVersionUID = 1L;
}
