package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import java.util.Optional;

/** The metrics of the cluster: whether the job runs, and its checkpoints. */
final class FlinkMetrics implements ServerMetrics.Look {
  private static final double MILLIS_PER_SECOND = 1000;

  private final FlinkEndpoint flink;

  FlinkMetrics(FlinkEndpoint flink) {
    this.flink = flink;
  }

  @Override
  public MetricSamples read() {
    MetricSamples samples = new MetricSamples();
    Optional<FlinkEndpoint.Job> job = flink.currentJob(ExperimentEtlJob.NAME);
    boolean runs = job.isPresent() && StatusLook.trouble(flink, job.get()).isEmpty();
    samples.add(ServerMetric.JOB_RUNNING, runs ? 1 : 0);
    job.ifPresent(
        found -> {
          samples.add(ServerMetric.JOB_RESTARTS, flink.restarts(found.id()));
          flink
              .checkpoints(found.id())
              .last()
              .ifPresent(
                  last ->
                      samples.add(
                          ServerMetric.CHECKPOINT_AGE,
                          (System.currentTimeMillis()
                                  - last.triggeredAtMillis()
                                  - last.endToEndMillis())
                              / MILLIS_PER_SECOND));
        });
    return samples;
  }
}
