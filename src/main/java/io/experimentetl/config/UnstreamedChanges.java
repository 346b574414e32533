package io.experimentetl.config;

/** What the job does when changes of the source were lost because they never entered the stream. */
public enum UnstreamedChanges {
  /** It reports them and stops. */
  STOP,
  /** It reports them and goes on. */
  REPORT,
  /** It reads the rows that differ again, and goes on. */
  REPAIR
}
