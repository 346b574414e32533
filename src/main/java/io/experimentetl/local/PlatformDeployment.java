package io.experimentetl.local;

import io.experimentetl.operations.Deployment;
import io.experimentetl.operations.DeploymentOptions;
import io.experimentetl.operations.NamedDeployment;
import picocli.CommandLine.Mixin;

/** The deployment that the command line names, else the running platform's; a picocli mixin. */
public final class PlatformDeployment implements DeploymentOptions {
  @Mixin private Place place;

  @Mixin private final NamedDeployment named = new NamedDeployment(new Place().jobJar());

  @Override
  public Deployment deployment() {
    return named.isGiven() ? named.deployment() : place.running().deployment(place.jobJar());
  }
}
