// Lines of the policy image that a packet reads, by the very text that the programs walk it with. A count: it has no noise, needs no root, and says what
// the shape of the cost is where the machine's caches do not.
#include <fmt/format.h>

#include <numeric>
#include <span>
#include <unordered_set>

#include "compile/table_image.h"
#include "measure.h"

namespace {

struct Counted {
  std::span<const nw_line> lines;
  std::vector<std::uint32_t>* read;
};
using nw_image = const Counted&;

inline const nw_line* nw_image_line(nw_image image, __u32 index) {
  image.read->push_back(index);
  return index < image.lines.size() ? &image.lines[index] : nullptr;
}

#include "maps/policy_walk.h"

}  // namespace

namespace nodewall::bench {
namespace {

constexpr std::size_t kPackets = 4096;  // of different flows, as on the wire

nw_query query_of(const resolve::PacketQuery& packet) {
  const bool is_v4 = packet.source.family == Family::v4;
  nw_query query{};
  query.source_low = is_v4 ? static_cast<std::uint32_t>(packet.source.low()) : packet.source.low();
  query.destination_low = is_v4 ? static_cast<std::uint32_t>(packet.destination.low()) : packet.destination.low();
  query.source_high = is_v4 ? 0 : packet.source.high();
  query.destination_high = is_v4 ? 0 : packet.destination.high();
  query.is_v4 = is_v4 ? 1 : 0;
  query.protocol = packet.protocol;
  query.source_port = packet.source_port;
  query.destination_port = packet.destination_port;
  query.chain = NW_CHAIN_INGRESS;
  return query;
}

// The lines that one packet reads, in order.
Result<std::vector<std::uint32_t>> lines_of(std::span<const nw_line> image, const resolve::PacketQuery& packet) {
  std::vector<std::uint32_t> read;
  const Counted counted{image, &read};
  const auto query = query_of(packet);
  const auto* header = nw_walk_header(counted);
  nw_answer answer{};
  if (header == nullptr || nw_walk_classes(counted, header, &query, query.chain, &answer.classes) == 0)
    return fail(Errc::internal, "the image has no answer");
  nw_walk_chain(counted, header, query.slot, query.variant, query.chain, &answer);
  if (answer.verdict != NW_DENY || answer.rule == NW_WALK_FAULT) return fail(Errc::internal, "the image does not deny a packet that it should");
  return read;
}

void add_rows(const Job& job, const std::vector<double>& counts, std::size_t distinct, Report& report) {
  Row row{.engine = "nodewall", .scenario = job.workload, .what = "denied", .size = job.size, .family = job.family, .unit = "lines/packet"};
  row = summarize(row, counts);
  row.value = std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());  // a median would be a whole number
  report.rows.push_back(row);
  row.unit = "KB read";
  report.rows.push_back(summarize(row, {static_cast<double>(distinct * sizeof(nw_line)) / 1024}));
}

Status measure_job(const Job& job, const Plan& plan, Report& report) {
  const auto workload = workload_of(job, plan);
  if (!workload) return fail(workload.error());
  const auto packets = make_packets(*workload, Hit::none, kPackets, plan.seed);
  if (!packets) {
    note_once(report, fmt::format("{} {} IPv{}: {}", job.workload, job.size, job.family, packets.error().message()));
    return {};
  }
  const auto resolved = to_resolved(*workload, *packets);
  const auto image = compile::compile(resolved, compile::assign_slots({}, resolved));
  if (!image) return fail(image.error());
  std::vector<double> counts;
  std::unordered_set<std::uint32_t> distinct;
  for (const auto& packet : *packets) {
    const auto read = lines_of(image->lines, packet);
    if (!read) return fail(read.error());
    counts.push_back(static_cast<double>(read->size()));
    distinct.insert(read->begin(), read->end());
  }
  add_rows(job, counts, distinct.size(), report);
  return {};
}

}  // namespace

Status measure_lines(const Plan& plan, Progress& progress, Report& report) {
  return for_each_job(plan, progress, [&](const Job& job) { return measure_job(job, plan, report); });
}

}  // namespace nodewall::bench
