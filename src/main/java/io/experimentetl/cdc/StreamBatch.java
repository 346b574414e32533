package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import java.util.List;
import org.apache.flink.types.Either;

/**
 * A part of the stream, in its order: the value of one of the connector's records.
 *
 * @param changes the number of changes among the elements
 * @param committedAt commit time of the last change, microseconds since 1970 in UTC
 */
record StreamBatch(List<Either<ReaderNotice, Change>> elements, int changes, long committedAt) {}
