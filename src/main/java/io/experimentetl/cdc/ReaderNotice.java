package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.Finding;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.types.Either;

/**
 * What the source reports beside changes. One of the four is not null.
 *
 * @param progress how far the reader of the replication slot has read
 * @param drift a column that differs from its declaration
 * @param gap what the rows behind it come without; the watch of the source keeps it
 * @param finding about the source, without a version
 */
public record ReaderNotice(
    ReaderProgress progress, SchemaDrift drift, StreamGap gap, Finding finding) {

  /** What the source gives. */
  static final TypeInformation<Either<ReaderNotice, Change>> OR_CHANGE =
      new EitherTypeInfo<>(TypeInformation.of(ReaderNotice.class), ChangeTypeInfo.INSTANCE);

  static ReaderNotice of(ReaderProgress progress) {
    return new ReaderNotice(progress, null, null, null);
  }

  static ReaderNotice of(SchemaDrift drift) {
    return new ReaderNotice(null, drift, null, null);
  }

  static ReaderNotice of(StreamGap gap) {
    return new ReaderNotice(null, null, gap, null);
  }

  static ReaderNotice of(Finding finding) {
    return new ReaderNotice(null, null, null, finding);
  }
}
