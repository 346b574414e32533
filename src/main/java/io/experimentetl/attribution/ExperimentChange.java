package io.experimentetl.attribution;

/**
 * What has changed of an {@link ExperimentState} since it was written or changed last, where
 * nothing else has. It is appended to the record: most changes add an event and a few figures to
 * many that stay as they are.
 *
 * @param events number of delivered events
 * @param changedEvents what {@link FactEntries#apply} takes
 * @param changedFigures the same
 */
record ExperimentChange(
    int events,
    long firstExposure,
    long[] exposedVariants,
    int[] exposures,
    long countedBy,
    boolean crossover,
    boolean enrolledElsewhere,
    boolean daysCounted,
    byte[] changedEvents,
    byte[] changedFigures) {
  /** The change that leads to the state. */
  static ExperimentChange of(ExperimentState now, byte[] changedEvents, byte[] changedFigures) {
    return new ExperimentChange(
        now.events(),
        now.firstExposure(),
        now.exposedVariants(),
        now.exposures(),
        now.countedBy(),
        now.crossover(),
        now.enrolledElsewhere(),
        now.daysCounted(),
        changedEvents,
        changedFigures);
  }
}
