package io.experimentetl.clickhouse;

import org.apache.flink.api.connector.sink2.Sink;

/** A sink whose writers get a {@code WriterInitContext}: the only way of Flink 2. */
public interface WriterSink<T> extends Sink<T> {}
