package io.experimentetl.attribution;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/** Experiments and variants as they stand, by id, and the clocks of their zones. */
public final class Dimensions {
  private final Map<Long, ExperimentDimension> experiments = new HashMap<>();
  private final Map<Long, VariantDimension> variants = new HashMap<>();
  private final Map<String, ExperimentCalendar> clocks = new HashMap<>();
  private final String defaultZone;
  private final ExperimentCalendar defaultClock;

  public Dimensions(String defaultZone) {
    this.defaultZone = defaultZone;
    this.defaultClock = new ExperimentCalendar(defaultZone);
    clocks.put(defaultZone, defaultClock);
  }

  /** The same dimensions, apart from later changes of these. */
  Dimensions copy() {
    Dimensions copy = new Dimensions(defaultZone);
    copy.experiments.putAll(experiments);
    copy.variants.putAll(variants);
    return copy;
  }

  /** The experiment, or null where it is not known. */
  public ExperimentDimension experiment(long id) {
    return experiments.get(id);
  }

  /** All that are known. */
  Collection<ExperimentDimension> experiments() {
    return experiments.values();
  }

  /** The variant, or null where it is not known. */
  public VariantDimension variant(long id) {
    return variants.get(id);
  }

  public void put(ExperimentDimension experiment) {
    experiments.put(experiment.id(), experiment);
  }

  public void put(VariantDimension variant) {
    variants.put(variant.id(), variant);
  }

  public void removeExperiment(long id) {
    experiments.remove(id);
  }

  public void removeVariant(long id) {
    variants.remove(id);
  }

  /** The clock of the experiment's days; of the default zone where the experiment is not known. */
  public ExperimentCalendar calendarOf(ExperimentDimension experiment) {
    return experiment == null
        ? defaultClock
        : clocks.computeIfAbsent(experiment.zone(), ExperimentCalendar::new);
  }
}
