package io.experimentetl.cdc;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.ChainingStrategy;

/** An operator that runs in the task of the operator before it. That is Flink 2's default. */
abstract class ChainedOperator<T> extends AbstractStreamOperator<T> {
  private static final long serialVersionUID = 1L;

  ChainedOperator() {
    setChainingStrategy(ChainingStrategy.ALWAYS);
  }
}
