package io.experimentetl.cdc;

import io.experimentetl.model.Finding;

/**
 * What the source reports beside changes. One of the three is not null.
 *
 * @param progress how far the reader of the replication slot has read
 * @param drift a column that differs from its declaration
 * @param finding about the source, without a version
 */
public record ReaderNotice(ReaderProgress progress, SchemaDrift drift, Finding finding) {

  static ReaderNotice of(ReaderProgress progress) {
    return new ReaderNotice(progress, null, null);
  }

  static ReaderNotice of(SchemaDrift drift) {
    return new ReaderNotice(null, drift, null);
  }

  static ReaderNotice of(Finding finding) {
    return new ReaderNotice(null, null, finding);
  }
}
