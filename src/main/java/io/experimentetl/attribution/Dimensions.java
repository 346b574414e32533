package io.experimentetl.attribution;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/** The current experiments and variants by id, and the calendars of their zones. */
public final class Dimensions {
  private final Map<Long, ExperimentDimension> experiments = new HashMap<>();
  private final Map<Long, VariantDimension> variants = new HashMap<>();
  private final Map<String, ExperimentCalendar> calendars = new HashMap<>();
  private final String defaultZone;
  private final ExperimentCalendar defaultCalendar;

  public Dimensions(String defaultZone) {
    this.defaultZone = defaultZone;
    this.defaultCalendar = new ExperimentCalendar(defaultZone);
    calendars.put(defaultZone, defaultCalendar);
  }

  /** A copy that later changes do not affect. */
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

  /** All known experiments. */
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

  /** The calendar of the experiment's zone, or of the default zone where it is not known. */
  public ExperimentCalendar calendarOf(ExperimentDimension experiment) {
    return experiment == null
        ? defaultCalendar
        : calendars.computeIfAbsent(experiment.zone(), ExperimentCalendar::new);
  }
}
