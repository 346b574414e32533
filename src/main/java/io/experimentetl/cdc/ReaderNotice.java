package io.experimentetl.cdc;

/**
 * What the reader of the replication slot reports beside changes. One of the two is null.
 *
 * @param progress how far it has read
 * @param drift a column that differs from its declaration
 */
public record ReaderNotice(ReaderProgress progress, SchemaDrift drift) {

  static ReaderNotice of(ReaderProgress progress) {
    return new ReaderNotice(progress, null);
  }

  static ReaderNotice of(SchemaDrift drift) {
    return new ReaderNotice(null, drift);
  }
}
