package io.experimentetl.report;

import java.nio.file.Path;
import java.util.List;

/** The report of one experiment, read from ClickHouse's views. */
public final class ExperimentReport {
  private final Experiment experiment;

  private ExperimentReport(Experiment experiment) {
    this.experiment = experiment;
  }

  /**
   * Reads the figures.
   *
   * @param keyOrId the experiment's key, else its id
   * @throws UnknownExperimentException with similar keys
   * @throws CannotReportException when ClickHouse cannot be read
   */
  public static ExperimentReport read(ReportSettings settings, String keyOrId) {
    try (Views views = new Views(settings)) {
      return new ExperimentReport(Experiment.read(views, keyOrId, settings.defaultZone()));
    }
  }

  public String key() {
    return experiment.key();
  }

  public String id() {
    return String.valueOf(experiment.id());
  }

  /** The whole page, which needs no network. */
  public String html() {
    return new ReportPage(experiment).html();
  }

  /** Writes one CSV file per view, and returns the files. */
  public List<Path> writeCsv(Path folder) {
    return CsvFolder.write(folder, experiment);
  }
}
