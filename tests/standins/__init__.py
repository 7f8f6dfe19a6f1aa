"""Stand-ins for meeting services that no test can reach: local pages, made from public facts."""
