package io.experimentetl.local;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.runtime.jobmanager.JobManagerProcessSpec;
import org.apache.flink.runtime.jobmanager.JobManagerProcessUtils;

/** The memory of a JobManager by its settings. */
final class JobManagerMemory {
  private JobManagerMemory() {}

  static JobManagerProcessSpec of(Configuration configuration) {
    return JobManagerProcessUtils.processSpecFromConfigWithNewOptionToInterpretLegacyHeap(
        configuration, JobManagerOptions.JVM_HEAP_MEMORY);
  }
}
