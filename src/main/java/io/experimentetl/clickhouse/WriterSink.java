package io.experimentetl.clickhouse;

import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;

/** A sink whose writers get a {@code WriterInitContext}. Flink 1.20 declares the older way too. */
public interface WriterSink<T> extends Sink<T> {
  @Deprecated
  @Override
  @SuppressWarnings("deprecation")
  default SinkWriter<T> createWriter(Sink.InitContext context) {
    throw new UnsupportedOperationException("Flink calls createWriter(WriterInitContext).");
  }
}
