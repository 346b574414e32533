package io.experimentetl.operations;

import java.util.List;
import java.util.Optional;

/** Starts a job on a cluster. */
interface JobStarter {
  /**
   * Starts the job, and returns when all its tasks run.
   *
   * @param savepoint a savepoint's or checkpoint's path; empty: without state
   * @param parallelism 0: the cluster's default
   * @param arguments of the job's main
   * @return the job's id
   */
  String start(Optional<String> savepoint, int parallelism, List<String> arguments);

  /**
   * Starts the former job again after the new one was refused.
   *
   * @param former the deployment with the former job's configuration
   * @return a sentence about the job that runs now, or the remedy
   */
  String startFormer(Deployment former, String savepoint, int parallelism);
}
