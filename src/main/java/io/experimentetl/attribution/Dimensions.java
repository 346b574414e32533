package io.experimentetl.attribution;

import io.experimentetl.model.AllocationHistory;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/** The current experiments and variants by id, and the calendars of their zones. */
public final class Dimensions {
  private final Map<Long, ExperimentDimension> experiments = new HashMap<>();
  private final Map<Long, VariantDimension> variants = new HashMap<>();
  private final Map<Long, AllocationHistory> allocations = new HashMap<>();
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
    copy.allocations.putAll(allocations);
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

  /** The phases of an experiment's allocation. */
  AllocationHistory allocationOf(long experimentId) {
    return allocations.getOrDefault(experimentId, AllocationHistory.NONE);
  }

  void putAllocation(long experimentId, AllocationHistory allocation) {
    allocations.put(experimentId, allocation);
  }

  public void put(ExperimentDimension experiment) {
    experiments.put(experiment.id(), experiment);
  }

  public void put(VariantDimension variant) {
    variants.put(variant.id(), variant);
  }

  public void removeExperiment(long id) {
    experiments.remove(id);
    allocations.remove(id);
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
