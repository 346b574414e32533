package io.experimentetl.operations;

/** The options that name a deployment; a picocli mixin. */
public interface DeploymentOptions {
  /**
   * The deployment that the command line names.
   *
   * @throws OperationsException when an option is missing
   */
  Deployment deployment();
}
