package io.experimentetl.local.traffic;

import java.util.ArrayList;
import java.util.List;

/**
 * The writes of one transaction, in phases: referenced rows come first, and each phase makes long
 * batches.
 */
final class TrafficTransaction {
  final List<Write> users = new ArrayList<>();
  final List<Write> assignments = new ArrayList<>();
  final List<Write> events = new ArrayList<>();
  final List<Write> outbox = new ArrayList<>();
  final List<Write> changes = new ArrayList<>();

  List<Write> inOrder() {
    List<Write> all = new ArrayList<>(users);
    all.addAll(assignments);
    all.addAll(events);
    all.addAll(outbox);
    all.addAll(changes);
    return all;
  }
}
