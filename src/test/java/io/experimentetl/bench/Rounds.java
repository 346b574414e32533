package io.experimentetl.bench;

import io.experimentetl.bench.BenchFigures.Spread;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Figures by name, each of several rounds. */
final class Rounds {
  private final Map<String, List<Double>> figures = new LinkedHashMap<>();

  void add(String name, double value) {
    figures.computeIfAbsent(name, figure -> new ArrayList<>()).add(SizeFigures.rounded(value));
  }

  Map<String, Spread> spreads() {
    Map<String, Spread> spreads = new LinkedHashMap<>();
    figures.forEach((name, rounds) -> spreads.put(name, Spread.of(rounds)));
    return spreads;
  }
}
